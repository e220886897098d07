"""Operations on runs, a module for each kind; operations of features are in their folders."""
