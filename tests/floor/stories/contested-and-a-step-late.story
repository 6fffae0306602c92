# Late weights ended a contest nobody had decided.
0.6 bob taps in
3.5 bob takes gum
6.9 bob takes chips
11.2 bob puts wine
12.9 b offline
15.0 bob leaves
32.1 staff contests 4
