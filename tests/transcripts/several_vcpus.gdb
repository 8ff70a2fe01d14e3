# One stop, several vCPUs: the reply names one, the thread list the others.
 = vcpus 3
-> $QStartNoAckMode#..
<- +$OK#..
-> +$vCont;c#..
 ! stopped vcpu=2 software=0x1000 vcpu=0 write=0x3000+4@0x3000 step
<- /^\$T05.*thread:3;core:2;#..$/
-> $qC#..
<- $QC3#..
-> $qXfer:threads:read::0,1000#..
<- /core="0" name="vCPU 0">toy mode &lt;0&gt;; also stopped: write watch of 4 bytes at 0x3000 hit at 0x3000, stepped<.*name="vCPU 2">toy mode &lt;2&gt;</
# "toy mode <1>": it was merely held
-> $qThreadExtraInfo,2#..
<- $746f79206d6f6465203c313e#..
-> $T3#..
<- $OK#..
