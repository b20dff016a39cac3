"""What must a shared module have anew in each run?"""
