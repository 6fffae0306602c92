# Two cards at the exit at once: the second replaced the first payer, whose hold was never given back.
5.8 kim enters
7.8 kim takes wine
13.5 kim taps out
13.5 joe taps out
