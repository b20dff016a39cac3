"""Which import statements does a program execute?"""
