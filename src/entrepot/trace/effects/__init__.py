"""What do a program's modules do beyond defining names?"""
