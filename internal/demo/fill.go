package demo

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	sdk "github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"golang.org/x/sync/errgroup"

	"github.com/crossfadedb/crossfade/internal/events"
)

// schema is the key of the demonstration's tables.
var schema = events.KeySchema{{Name: "id", Type: "S"}}

const (
	fillers   = 8   // batches at the same time while the table is filled
	fillChunk = 500 // rows that a filler takes at a time
)

// fill makes both tables and fills the old one.
func (r *run) fill(ctx context.Context) error {
	client := r.parts.Old.SDK()
	for _, name := range []string{r.parts.Old.Name(), r.parts.New.Name()} {
		if err := createTable(ctx, client, name); err != nil {
			return err
		}
	}
	table := SDKTable{Client: client, Name: r.parts.Old.Name()}
	r.app = &Application{Rows: AllTypes{Seed: r.Seed, Count: r.Items}, Table: table, Seed: r.Seed, Rate: r.Rate}
	var done atomic.Int64
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(fillers)
	filled := make(chan error, 1)
	go func() {
		for from := 0; from < r.Items; from += fillChunk {
			group.Go(func() error {
				to := min(from+fillChunk, r.Items)
				if err := table.Load(ctx, r.app.Rows, from, to); err != nil {
					return err
				}
				done.Add(int64(to - from))
				return nil
			})
		}
		filled <- group.Wait()
	}()
	for {
		select {
		case err := <-filled:
			if err != nil {
				return err
			}
			r.end()
			r.say("the old table has %s rows, with attributes of all ten types", count(r.Items))
			return nil
		case <-time.After(lookEvery):
			r.show(gauge{"old table filled", done.Load(), int64(r.Items)})
		}
	}
}

func createTable(ctx context.Context, client *sdk.Client, name string) error {
	key := schema[0]
	_, err := client.CreateTable(ctx, &sdk.CreateTableInput{
		TableName: &name, BillingMode: types.BillingModePayPerRequest,
		KeySchema:            []types.KeySchemaElement{{AttributeName: &key.Name, KeyType: types.KeyTypeHash}},
		AttributeDefinitions: []types.AttributeDefinition{{AttributeName: &key.Name, AttributeType: types.ScalarAttributeType(key.Type)}},
	})
	if err != nil {
		return fmt.Errorf("create table %s: %w", name, err)
	}
	return nil
}
