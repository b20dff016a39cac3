"""What happens inside a program that is being traced?"""
