"""What does the import system search for?"""
