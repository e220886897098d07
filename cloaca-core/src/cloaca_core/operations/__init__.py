"""Operations on runs, a module for each kind; those of features are in their folders."""
