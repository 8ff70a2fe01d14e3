# Crashes, halts and the end of the run.
-> $qSupported:multiprocess+#..
<- /^\+$/
<- /PacketSize/
-> +$QStartNoAckMode#..
<- +$OK#..
-> +$vCont;c#..
 ! stopped vcpu=0 crash="triple fault"
<- /^\$T0b.*thread:p1\.1;core:0;#..$/
-> $?#..
<- /^\$T0b/
-> $vCont;c#..
 ! stopped vcpu=1 halt
<- /^\$T05.*thread:p1\.2;/
-> $vCont;c#..
 ! stopped vcpu=0 poweroff=3
<- /^\$T0f/
-> $p5#..
<- $0000000000000000#..
-> $vCont;c#..
<- $W03;process:1#..
-> $?#..
<- $W03;process:1#..
-> $g#..
<- $E13#..
-> $vCont;c#..
<- $W03;process:1#..
-> $D;1#..
<- $OK#..
