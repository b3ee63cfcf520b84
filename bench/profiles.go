// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"runtime/pprof"
)

// profilesVariable names the folder for profiles to a server.
const profilesVariable = "BENCH_PROFILES"

// startProfiles profiles a server until the function that it returns is called. It does nothing without a folder.
func startProfiles(folder, name string) (stop func() error, err error) {
	if folder == "" {
		return func() error { return nil }, nil
	}
	cpu, err := os.Create(filepath.Join(folder, name+".cpu.pprof"))
	if err != nil {
		return nil, err
	}
	runtime.SetMutexProfileFraction(1)
	if err := pprof.StartCPUProfile(cpu); err != nil {
		return nil, err
	}
	return func() error {
		pprof.StopCPUProfile()
		return errors.Join(cpu.Close(), writeProfile(folder, name, "allocs"), writeProfile(folder, name, "mutex"))
	}, nil
}

func writeProfile(folder, name, profile string) error {
	file, err := os.Create(filepath.Join(folder, name+"."+profile+".pprof"))
	if err != nil {
		return err
	}
	return errors.Join(pprof.Lookup(profile).WriteTo(file, 0), file.Close())
}
