"""What does each command of the command line take, do and print?"""
