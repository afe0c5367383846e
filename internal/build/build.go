// Package build says which build of Crossfade this process is: what `--version`, the first log line and the status show.
package build

import (
	"cmp"
	"runtime/debug"
	"sync"
)

// revisionLength is how much of a commit's name tells it from all others.
const revisionLength = 12

// Version names this build: the module's version and the commit that it was made from, with "+changed" when the working
// tree differed from it. A build without either, as of `go run` or of a test, is "devel".
var Version = sync.OnceValue(func() string {
	if stamped != "" {
		return stamped
	}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "devel"
	}
	return version(info)
})

// stamped is the version of a build that is made where there is no repository, as that of the container's image:
// -ldflags "-X github.com/crossfadedb/crossfade/internal/build.stamped=…".
var stamped string

func version(info *debug.BuildInfo) string {
	var revision, changed string
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			revision = s.Value[:min(len(s.Value), revisionLength)]
		case "vcs.modified":
			if s.Value == "true" {
				changed = "+changed"
			}
		}
	}
	released := info.Main.Version
	if released == "(devel)" {
		released = ""
	}
	if released != "" {
		return released // Go puts the commit and "+dirty" into it where it knows them
	}
	return cmp.Or(revision+changed, "devel")
}
