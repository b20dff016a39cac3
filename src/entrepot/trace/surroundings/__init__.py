"""What surrounds modules in the process: who reads it, and who changes it?"""
