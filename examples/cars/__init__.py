"""How much further did a gallon go? A durable workflow over 406 real cars of 1970 to 1982."""
