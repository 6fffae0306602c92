# A tap refused because the shop was closed got another answer when it was sent again.
4.5 shop closes
4.5 bob taps in
11.1 bob taps again
