# A tap that waited for the answer to another of its card was decided twice when sent again.
4.7 daemon crashes 700
7.3 bob taps in for 1
8.1 bob taps in
20.1 upstream late 6000
