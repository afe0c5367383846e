package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// stamp is the variable that a build's version is written into.
const stamp = "github.com/crossfadedb/crossfade/internal/build.stamped"

// build compiles the commands into a folder. Every setting that would otherwise come from the environment is given.
func build(ctx context.Context, version, system, machine, into string) error {
	command := exec.CommandContext(ctx, "go", "build", "-trimpath", "-buildvcs=false",
		"-ldflags", "-s -w -buildid= -X "+stamp+"="+version, "-o", into+string(filepath.Separator), "./cmd/...")
	command.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS="+system, "GOARCH="+machine, "GOFLAGS=-mod=readonly", "GOEXPERIMENT=", "GOAMD64=v1", "GOARM64=v8.0",
		"GOFIPS140=off", "GOWORK=off")
	command.Stdout, command.Stderr = os.Stderr, os.Stderr
	return command.Run()
}

// documents go into each archive beside the commands.
var documents = []string{"CHANGELOG.md", "LICENSE", "NOTICE", "README.md"}

// contents are the files of an archive, in the order of their names.
func contents(built, folder string) ([]file, error) {
	entries, err := os.ReadDir(built)
	if err != nil {
		return nil, err
	}
	var files []file
	for _, entry := range entries {
		data, err := os.ReadFile(filepath.Join(built, entry.Name()))
		if err != nil {
			return nil, err
		}
		files = append(files, file{folder + "/" + entry.Name(), 0o755, data})
	}
	for _, name := range documents {
		data, err := os.ReadFile(name)
		if err != nil {
			return nil, err
		}
		files = append(files, file{folder + "/" + name, 0o644, data})
	}
	slices.SortFunc(files, func(a, b file) int { return strings.Compare(a.name, b.name) })
	return files, nil
}

// git asks the repository, and returns its answer without the last line's end.
func git(ctx context.Context, args ...string) (string, error) {
	var failure bytes.Buffer
	command := exec.CommandContext(ctx, "git", args...)
	command.Stderr = &failure
	answer, err := command.Output()
	if err != nil {
		return "", fmt.Errorf("git %s: %w: %s", args[0], err, strings.TrimSpace(failure.String()))
	}
	return strings.TrimSpace(string(answer)), nil
}
