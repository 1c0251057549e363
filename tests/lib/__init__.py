"""What the integration tests, the demo and the bench share: real parts on one machine.

paths        where programs, downloads and temporary files are
waiting      wait_until(): waits for a condition, and says what it last saw when it gives up
processes    children that die with us; temporary folders that are swept even after a crash
nats_server  NatsServer, NatsCluster
sites        Site: a host of its own on this machine (namespaces, libvirtd, agent, power switch)
guest        the test guest and its console
vmm_process  Vmm: a cloud-hypervisor, or the fake of it, without an agent; vmm_talks: how they compare
witness      the workload that leaves evidence: hooks, and the report from its records

Everything needs root (namespaces) and stays on loopback or in namespaces made here.
"""
