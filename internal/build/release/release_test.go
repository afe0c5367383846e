package main

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

var (
	commit = time.Date(2026, 1, 2, 3, 4, 6, 0, time.UTC)
	packed = []file{{"crossfade_1.2.3/README.md", 0o644, []byte("read me")}, {"crossfade_1.2.3/crossfade", 0o755, bytes.Repeat([]byte("binary"), 10_000)}}
)

func TestTarHoldsTheFilesAndIsTheSameEachTime(t *testing.T) {
	archive, err := packTar(packed, commit)
	require.NoError(t, err)
	again, err := packTar(packed, commit)
	require.NoError(t, err)
	require.Equal(t, archive, again)

	plain, err := gzip.NewReader(bytes.NewReader(archive))
	require.NoError(t, err)
	require.True(t, plain.ModTime.IsZero())
	reader := tar.NewReader(plain)
	for _, want := range packed {
		header, err := reader.Next()
		require.NoError(t, err)
		require.Equal(t, want.name, header.Name)
		require.Equal(t, want.mode, header.Mode)
		require.True(t, commit.Equal(header.ModTime))
		require.Zero(t, header.Uid+header.Gid)
		require.Empty(t, header.Uname+header.Gname)
		data, err := io.ReadAll(reader)
		require.NoError(t, err)
		require.Equal(t, want.data, data)
	}
	_, err = reader.Next()
	require.Equal(t, io.EOF, err)
}

func TestZipHoldsTheFilesAndIsTheSameEachTime(t *testing.T) {
	archive, err := packZip(packed, commit)
	require.NoError(t, err)
	again, err := packZip(packed, commit.In(time.FixedZone("elsewhere", 3600)))
	require.NoError(t, err)
	require.Equal(t, archive, again)

	reader, err := zip.NewReader(bytes.NewReader(archive), int64(len(archive)))
	require.NoError(t, err)
	require.Len(t, reader.File, len(packed))
	for i, want := range packed {
		require.Equal(t, want.name, reader.File[i].Name)
		require.Equal(t, os.FileMode(want.mode), reader.File[i].Mode())
		require.True(t, commit.Equal(reader.File[i].Modified))
		open, err := reader.File[i].Open()
		require.NoError(t, err)
		data, err := io.ReadAll(open)
		require.NoError(t, err)
		require.Equal(t, want.data, data)
	}
}

func TestSums(t *testing.T) {
	folder := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(folder, "b.zip"), []byte("abc"), 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(folder, "a.tar.gz"), nil, 0o600))
	require.NoError(t, writeSums(folder))
	text, err := os.ReadFile(filepath.Join(folder, sums))
	require.NoError(t, err)
	require.Equal(t, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855  a.tar.gz\n"+
		"ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad  b.zip\n", string(text))
}

func TestWrongUse(t *testing.T) {
	for want, args := range map[string][]string{
		`--version must be such as v1.2.3, not ""`:      {"linux/amd64"},
		`--version must be such as v1.2.3, not "1.2.3"`: {"--version=1.2.3", "linux/amd64"},
		"name the platforms":                            {"--version=v1.2.3"},
	} {
		require.ErrorContains(t, run(t.Context(), args), want)
	}
}

func TestSectionOfTheChangelog(t *testing.T) {
	changelog := "# Changelog\n\n## Unreleased\n\n## 1.2.30 - 2026-01-02\n\n## 1.2.1\n"
	for version, want := range map[string]bool{"v1.2.30": true, "v1.2.1": true, "v1.2.3": false, "v2.0.0": false} {
		require.Equal(t, want, hasSection(changelog, version), version)
	}
}

// The repository is the one of this test: it is no release, for its version 0.0.0 has no tag.
func TestOnlyATaggedCommitIsAVersion(t *testing.T) {
	t.Chdir("../../..")
	if _, err := os.Stat(".git"); err != nil {
		t.Skip("this is no repository")
	}
	err := released(t.Context(), "v0.0.0", "## 0.0.0\n")
	require.Error(t, err)
	require.Regexp(t, "does not have the tag v0.0.0|the working tree differs", err.Error())
}

// The version that is stamped is what the command says of itself, and no folder of this machine is in it.
func TestBuildIsStampedAndKnowsNoFolder(t *testing.T) {
	if os.Getenv("CROSSFADE_RELEASE") != "1" {
		t.Skip("it compiles the commands anew; make release sets CROSSFADE_RELEASE=1")
	}
	t.Chdir("../../..")
	here, err := os.Getwd()
	require.NoError(t, err)
	into := t.TempDir()
	require.NoError(t, build(t.Context(), "v1.2.3", runtime.GOOS, runtime.GOARCH, into))
	said, err := exec.CommandContext(t.Context(), filepath.Join(into, "crossfade"), "--version").Output()
	require.NoError(t, err)
	require.Contains(t, string(said), "crossfade v1.2.3 (")
	files, err := contents(into, "crossfade_1.2.3")
	require.NoError(t, err)
	names := make([]string, len(files))
	for i, f := range files {
		names[i] = f.name
		require.NotContains(t, string(f.data), here, f.name)
	}
	require.Equal(t, []string{
		"crossfade_1.2.3/CHANGELOG.md", "crossfade_1.2.3/LICENSE", "crossfade_1.2.3/NOTICE", "crossfade_1.2.3/README.md",
		"crossfade_1.2.3/crossfade", "crossfade_1.2.3/snapshot", "crossfade_1.2.3/streamer",
	}, names)
}
