# Upstream held money and never said so: nobody gave it back.
0.8 upstream silent
3.2 tim taps in
