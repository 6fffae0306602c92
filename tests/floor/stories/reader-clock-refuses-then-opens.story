# A tap refused for its age was let in once the clock of its reader was known better.
1.9 ann taps in
2.1 gate-1 clock -40
2.5 joe taps in
4.3 bob taps in
6.0 tim taps in
6.9 bob taps again
