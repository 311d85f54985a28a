# An example in ../bad begins here.
