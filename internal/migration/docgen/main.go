// Docgen writes docs/CONFIGURATION.md to the path that it is given.
package main

import (
	"fmt"
	"os"

	"github.com/crossfadedb/crossfade/internal/migration"
)

func main() {
	if err := os.WriteFile(os.Args[1], []byte(migration.Markdown()), 0o644); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
