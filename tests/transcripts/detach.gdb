# `detach`: points out, guest on.
-> $qSupported:multiprocess+#..
<- /^\+$/
<- /multiprocess\+/
-> +$QStartNoAckMode#..
<- +$OK#..
-> +$Z0,1000,1#..
<- $OK#..
-> $D;2#..
<- $E03#..
 = points 1
-> $D;1#..
<- $OK#..
 = points 0
 = guest running
 = motions run run
 . client 1 left
 = guest running
# the next client comes to a running guest: asking stops it
2-> $?#..
2<- +
 = interrupts 1
 ! stopped vcpu=1 interrupt by=2
2<- /^\$T02.*thread:2;/
2-> +$D#..
2<- +$OK#..
 = guest running
