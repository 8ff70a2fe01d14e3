# x as LLDB 19 reads it, for this connection, once it has sent its probe.
-> $QStartNoAckMode#..
<- +$OK#..
-> +$x0,0#..
<- $OK#..
-> $x1000,4#..
<- $\x00\x01\x02\x03#..
-> $x1023,1#..
<- $}\x03#..
-> $x2000,4#..
<- $E14#..
 . client 1 left
2-> $x1000,2#..
2<- +$b\x00\x01#..
