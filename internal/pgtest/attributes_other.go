//go:build unix && !linux

package pgtest

import "syscall"

// attributes keep from a server a Ctrl-C that is for us. Only Linux can end a
// server with a program that is killed.
func attributes(as *syscall.Credential) *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Credential: as, Setpgid: true}
}
