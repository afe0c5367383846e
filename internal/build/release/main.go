// Release builds what is published of a version: the three commands for each platform, packed with the licence, and the
// checksums of the archives.
//
//	go run ./internal/build/release --version=v1.2.3 --out=dist linux/amd64 windows/amd64
//
// The same commit and the same version of Go give the same bytes, in any folder and on any machine: no path, time, user or
// state of the repository is in them. The one time that an archive has is that of the commit.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

func main() {
	if err := run(context.Background(), os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "release:", err)
		os.Exit(1)
	}
}

var versionForm = regexp.MustCompile(`^v\d+\.\d+\.\d+(-[0-9A-Za-z.]+)?$`)

// run builds and packs one platform after the other, then writes the checksums.
func run(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("release", flag.ContinueOnError)
	version := flags.String("version", "", "the version, such as v1.2.3")
	out := flags.String("out", "dist", "the folder of the archives; what is in it is removed")
	trial := flags.Bool("trial", false, "whatever is checked out: without a tag, and with changes that are not committed")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if !versionForm.MatchString(*version) {
		return fmt.Errorf("--version must be such as v1.2.3, not %q", *version)
	}
	if flags.NArg() == 0 {
		return errors.New("name the platforms, such as linux/amd64")
	}
	changelog, err := os.ReadFile("CHANGELOG.md")
	if err != nil {
		return err
	}
	if !*trial {
		if err := released(ctx, *version, string(changelog)); err != nil {
			return err
		}
	}
	committed, err := commitTime(ctx)
	if err != nil {
		return err
	}
	if err := os.RemoveAll(*out); err != nil {
		return err
	}
	if err := os.MkdirAll(*out, 0o755); err != nil {
		return err
	}
	for _, platform := range flags.Args() {
		if err := publish(ctx, *version, platform, *out, committed); err != nil {
			return fmt.Errorf("%s: %w", platform, err)
		}
	}
	return writeSums(*out)
}

// released reports whether this commit is the version: nothing in the working tree differs from it, the tag names it, and
// the changelog has a section about it.
func released(ctx context.Context, version, changelog string) error {
	changed, err := git(ctx, "status", "--porcelain")
	if err != nil {
		return err
	}
	if changed != "" {
		return fmt.Errorf("the working tree differs from its commit:\n%s", changed)
	}
	tags, err := git(ctx, "tag", "--points-at", "HEAD")
	if err != nil {
		return err
	}
	if !slices.Contains(strings.Fields(tags), version) {
		return fmt.Errorf("this commit does not have the tag %s", version)
	}
	if !hasSection(changelog, version) {
		return fmt.Errorf("CHANGELOG.md has no section \"## %s\"", strings.TrimPrefix(version, "v"))
	}
	return nil
}

// hasSection reports whether a changelog has a section about a version, with a date after it or without.
func hasSection(changelog, version string) bool {
	heading := "## " + strings.TrimPrefix(version, "v")
	for line := range strings.Lines(changelog) {
		if line = strings.TrimSpace(line); line == heading || strings.HasPrefix(line, heading+" - ") {
			return true
		}
	}
	return false
}

// commitTime is when the commit was made, by its committer's clock.
func commitTime(ctx context.Context) (time.Time, error) {
	text, err := git(ctx, "log", "-1", "--format=%ct")
	if err != nil {
		return time.Time{}, err
	}
	seconds, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return time.Time{}, fmt.Errorf("time of the commit: %w", err)
	}
	return time.Unix(seconds, 0).UTC(), nil
}

// publish builds the commands for one platform and packs them.
func publish(ctx context.Context, version, platform, out string, committed time.Time) error {
	system, machine, ok := strings.Cut(platform, "/")
	if !ok {
		return errors.New("a platform is such as linux/amd64")
	}
	built, err := os.MkdirTemp("", "crossfade-release-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(built) //nolint:errcheck // a folder for temporary files
	if err := build(ctx, version, system, machine, built); err != nil {
		return err
	}
	folder := fmt.Sprintf("crossfade_%s_%s_%s", strings.TrimPrefix(version, "v"), system, machine)
	files, err := contents(built, folder)
	if err != nil {
		return err
	}
	pack, name := packTar, folder+".tar.gz"
	if system == "windows" {
		pack, name = packZip, folder+".zip"
	}
	archive, err := pack(files, committed)
	if err != nil {
		return err
	}
	fmt.Printf("%s  %d bytes\n", name, len(archive))
	return os.WriteFile(filepath.Join(out, name), archive, 0o644)
}
