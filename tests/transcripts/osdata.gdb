# `info os`, `info os vcpus`, `info os clients`.
-> $QStartNoAckMode#..
<- +$OK#..
-> +$qXfer:osdata:read::0,1000#..
<- /^\$l.*<osdata type="types">.*<column name="Type">vcpus<.*<column name="Type">points<.*>clients</
-> $qXfer:osdata:read:vcpus:0,1000#..
<- /<column name="vCPU">1<.*<column name="Thread">2<.*<column name="Mode">toy mode &lt;1&gt;<.*>held</
-> $qXfer:osdata:read:points:0,1000#..
<- /^\$l<.*<osdata type="points">.*<\/osdata>/
-> $qXfer:osdata:read:clients:0,1000#..
<- /<column name="Client">1<.*<column name="Run control">no</
-> $qXfer:osdata:read:clients:0,8#..
<- $m<?xml ve#..
-> $qXfer:osdata:read:files:0,1000#..
<- $E00#..
