"""What follows from a program's modules: who reaches whom, what is wrong, what would a change touch?"""
