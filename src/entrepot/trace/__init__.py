"""What did a program import, and what did importing do?"""
