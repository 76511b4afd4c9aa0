"""A synthetic street whose true answer is known: people, camera, pictures and what a detector would report of them."""
