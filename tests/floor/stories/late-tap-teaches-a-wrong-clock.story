# A tap refused as dated ahead, by a clock learned from a late one, was let in when sent again.
0.4 ann taps in late 6
8.6 bob taps in
10.5 bob taps again
