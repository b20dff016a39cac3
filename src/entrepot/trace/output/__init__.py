"""Who writes what a program prints?"""
