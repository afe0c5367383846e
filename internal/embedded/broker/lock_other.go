//go:build !unix

package broker

import (
	"errors"
	"os"
)

// lock refuses: without locks a directory could have two brokers. A broker in memory needs none.
func lock(*os.File) error { return errors.ErrUnsupported }
