package main

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/imports/wasi_snapshot_preview1"
	"github.com/tetratelabs/wazero/sys"
)

// host runs the simulation, compiled to WebAssembly.
type host struct {
	runtime wazero.Runtime
	program wazero.CompiledModule
	digest  [sha256.Size]byte // of the program
}

// newHost builds the program from the source at root and compiles it. Machine code is kept in bin, of one program.
func newHost(ctx context.Context, root string) (*host, error) {
	kept := filepath.Join(root, "bin", "replay")
	if err := os.MkdirAll(kept, 0o755); err != nil {
		return nil, err
	}
	file := filepath.Join(kept, "sim.wasm")
	before, _ := os.ReadFile(file) // none is as good as another
	if err := build(ctx, root, file); err != nil {
		return nil, err
	}
	code, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	machine := filepath.Join(kept, "machine")
	if string(before) != string(code) {
		if err := os.RemoveAll(machine); err != nil {
			return nil, err
		}
	}
	cache, err := wazero.NewCompilationCacheWithDir(machine)
	if err != nil {
		return nil, err
	}
	h := &host{runtime: wazero.NewRuntimeWithConfig(ctx, wazero.NewRuntimeConfig().WithCompilationCache(cache)), digest: sha256.Sum256(code)}
	if _, err := wasi_snapshot_preview1.Instantiate(ctx, h.runtime); err != nil {
		return nil, err
	}
	h.program, err = h.runtime.CompileModule(ctx, code)
	return h, err
}

// build compiles the test so that it does not depend on where its source is.
func build(ctx context.Context, root, file string) error {
	file, err := filepath.Abs(file)
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, "go", "test", "-c", "-trimpath", "-o", file, "./internal/lab/sim")
	cmd.Dir, cmd.Env, cmd.Stderr = root, append(os.Environ(), "GOOS=wasip1", "GOARCH=wasm"), os.Stderr
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("build the simulation: %w", err)
	}
	return nil
}

// play runs the test of one seed from start to end in a memory of its own.
func (h *host) play(ctx context.Context, seed, schedule uint64, out io.Writer) (ok bool, err error) {
	config := wazero.NewModuleConfig().WithName("").WithStdout(out).WithStderr(out).
		WithArgs("sim.test", "-test.run=^TestSeed$", "-test.v", "-test.timeout=0", "-requests", fmt.Sprint("-seed=", seed))
	module, err := h.runtime.InstantiateModule(ctx, h.program, chance(clocks(config), seed, schedule))
	if module != nil {
		err = errors.Join(err, module.Close(ctx))
	}
	if exit, exited := errors.AsType[*sys.ExitError](err); exited {
		return exit.ExitCode() == 0, nil
	}
	return err == nil, err
}

// chance is all random numbers there are.
func chance(config wazero.ModuleConfig, seed, schedule uint64) wazero.ModuleConfig {
	var key [32]byte
	binary.LittleEndian.PutUint64(key[:], seed)
	binary.LittleEndian.PutUint64(key[8:], schedule)
	return config.WithRandSource(rand.NewChaCha8(key))
}

// clocks go on by a little with every look, and by as much as somebody waits. The bubble has a clock of its own; these are
// the runtime's.
func clocks(config wazero.ModuleConfig) wazero.ModuleConfig {
	const look, epoch = 1000, 946_684_800
	now := int64(0)
	nano := func() int64 { now += look; return now }
	return config.WithNanotime(nano, 1).WithNanosleep(func(ns int64) { now += max(ns, 0) }).
		WithWalltime(func() (int64, int32) { n := nano(); return epoch + n/1e9, int32(n % 1e9) }, 1)
}
