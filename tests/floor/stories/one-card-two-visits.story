# A card that pays for an open visit was bound to a second one at the exit.
4.2 kim taps in
6.1 kim enters
10.2 joe enters
10.6 kim taps out
