# extended-remote: `!`, and `R`, which the next `?` answers.
-> $QStartNoAckMode#..
<- +$OK#..
-> +$!#..
<- $OK#..
-> $Z1,1000,1#..
<- $OK#..
-> $R00#..
-> $?#..
<- /^\$T05.*05:f0ff000000000000;/
 = points 1
