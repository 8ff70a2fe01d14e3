# How a client wants to be served, and what cannot be had.
-> $QStartNoAckMode#..
<- +$OK#..
-> +$QProgramSignals:0;1;3#..
<- $OK#..
-> $QPassSignals:e;10;14;17#..
<- $OK#..
-> $QThreadEvents:1#..
<- $OK#..
-> $QNonStop:0#..
<- $OK#..
-> $QNonStop:1#..
<- $E5f#..
-> $qTStatus#..
<- $#00
-> $qqemu.sstepbits#..
<- $ENABLE=1#..
-> $qqemu.sstep#..
<- $0x1#..
-> $Qqemu.sstep=1#..
<- $OK#..
-> $Qqemu.sstep=7#..
<- $E5f#..
-> $vCont;c#..
-> $vCtrlC#..
<- $OK#..
 ! stopped vcpu=0 interrupt by=1
<- /^\$T02/
