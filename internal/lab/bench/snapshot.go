package main

import (
	"context"

	sdk "github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	kafkago "github.com/segmentio/kafka-go"
	"golang.org/x/sync/errgroup"

	"github.com/crossfadedb/crossfade/internal/dynamodb"
	"github.com/crossfadedb/crossfade/internal/snapshot"
)

// snapshotPair publishes a table. Ours is done when a durable fact says so of every segment.
func snapshotPair(ctx context.Context, p *parts) (ours, bare side, err error) {
	old, err := p.table(ctx)
	if err != nil {
		return nil, nil, err
	}
	client, _, err := p.bareClients(ctx)
	if err != nil {
		return nil, nil, err
	}
	ours = func(ctx context.Context) (cost, error) { return p.snapshot(ctx, old) }
	bare = func(ctx context.Context) (cost, error) {
		return p.barePublish(ctx, func(ctx context.Context, w *kafkago.Writer) error {
			return bareSnapshot(ctx, client, old.Name(), w)
		})
	}
	return ours, bare, nil
}

func (p *parts) snapshot(ctx context.Context, old *dynamodb.Table) (cost, error) {
	m, err := p.migration(ctx)
	if err != nil {
		return cost{}, err
	}
	worker := snapshot.New(snapshot.Config{
		Source: dynamodb.NewSource(old, schema), Publish: p.kafka.Publish(m.topics.Snapshot, partitions), DeadLetter: noDeadLetter,
		Facts: m.facts, Watch: m.watch, Generation: 1, Segments: segments, AtOnce: segments,
	})
	run := m.watched(func(ctx context.Context) error { return worker.Run(ctx, []int{0}, 1) })
	took, err := stopwatch(ctx, run, func() bool {
		done := 0
		for _, fact := range m.facts.Segments(1) {
			if fact.Done {
				done++
			}
		}
		return done == segments
	})
	if err != nil {
		return cost{}, err
	}
	return took, p.checkTopic(ctx, m.topics.Snapshot, len(p.rows))
}

func bareSnapshot(ctx context.Context, client *sdk.Client, table string, w *kafkago.Writer) error {
	group, ctx := errgroup.WithContext(ctx)
	for segment := range int32(segments) {
		group.Go(func() error {
			for after, first := map[string]types.AttributeValue(nil), true; first || after != nil; first = false {
				page, err := client.Scan(ctx, &sdk.ScanInput{
					TableName: &table, Segment: &segment, TotalSegments: new(int32(segments)), ConsistentRead: new(true), ExclusiveStartKey: after,
				})
				if err != nil {
					return err
				}
				messages := make([]kafkago.Message, len(page.Items))
				for i, row := range page.Items {
					if messages[i].Key, messages[i].Value, err = message(row); err != nil {
						return err
					}
				}
				if err := w.WriteMessages(ctx, messages...); err != nil {
					return err
				}
				after = page.LastEvaluatedKey
			}
			return nil
		})
	}
	return group.Wait()
}
