package demo

import (
	"context"
	"fmt"

	"github.com/crossfadedb/crossfade/internal/newtable"
)

var names = newtable.Attributes{Version: "v", Deleted: "d", Shard: "sh", Tombstone: "t"}

// fixed is a table of these items.
type fixed struct{ items []string }

func (f fixed) Name() string { return "fixed" }

func (f fixed) Items(_ context.Context, _ int, visit func([]byte) error) error {
	for _, item := range f.items {
		if err := visit([]byte(item)); err != nil {
			return err
		}
	}
	return nil
}

func item(id int, more string) string { return fmt.Sprintf(`{"id":{"S":"%d"}%s}`, id, more) }
