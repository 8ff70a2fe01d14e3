// MSRs that are worth a line of their own (SDM volume 4, AMD's APM volume 2, KVM's documentation of its own).
export const msrs: [number, string][] = [
  [0xc0000080, 'EFER'], [0xc0000081, 'STAR'], [0xc0000082, 'LSTAR'], [0xc0000083, 'CSTAR'], [0xc0000084, 'SFMASK'],
  [0xc0000100, 'FS_BASE'], [0xc0000101, 'GS_BASE'], [0xc0000102, 'KERNEL_GS_BASE'], [0xc0000103, 'TSC_AUX'],
  [0x10, 'TSC'], [0x1b, 'APIC_BASE'], [0x3a, 'FEATURE_CONTROL'], [0x48, 'SPEC_CTRL'], [0x8b, 'BIOS_SIGN_ID'],
  [0x174, 'SYSENTER_CS'], [0x175, 'SYSENTER_ESP'], [0x176, 'SYSENTER_EIP'], [0x1a0, 'MISC_ENABLE'], [0x1d9, 'DEBUGCTL'],
  [0x277, 'PAT'], [0x2ff, 'MTRR_DEF_TYPE'], [0x6e0, 'TSC_DEADLINE'], [0xda0, 'XSS'],
  [0x4b564d00, 'KVM_WALL_CLOCK_NEW'], [0x4b564d01, 'KVM_SYSTEM_TIME_NEW'], [0x4b564d02, 'KVM_ASYNC_PF_EN'], [0x4b564d03, 'KVM_STEAL_TIME'],
];
