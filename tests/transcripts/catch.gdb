# Catchpoints go by monitor, and come with a line of text: a stop reply has no word for them.
-> $QStartNoAckMode#..
<- +$OK#..
# catch port 0x3f8-0x3ff write
-> +$qRcmd,636174636820706f72742030783366382d3078336666207772697465#..
<- /^\$O/
<- $OK#..
 = points 1
-> $vCont;c#..
 ! stopped vcpu=0 port=0x3f8<0x41
<- /^\$O764350552030/
<- /^\$T05.*thread:1;core:0;#..$/
# catch delete all
-> $qRcmd,63617463682064656c65746520616c6c#..
<- /^\$O/
<- $OK#..
 = points 0
# caught on two vCPUs at once: the second is told when the client goes on, as a breakpoint would be
-> $qRcmd,636174636820706f7274203078333838#..
<- /^\$O/
<- $OK#..
-> $vCont;c#..
 ! stopped vcpu=0 step vcpu=1 port=0x388<0x1
<- /^\$O/
<- /^\$T05.*thread:1;/
-> $vCont;c#..
<- /^\$T05.*thread:2;/
 = guest stopped
