"""How does a bundle run? These files are copied into each bundle; they use what a bare interpreter has."""
