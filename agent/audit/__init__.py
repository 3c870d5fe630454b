"""What makes records provable to somebody outside: evidence, the documents it names, the key, seals, verification."""
