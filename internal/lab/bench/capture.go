package main

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodbstreams"
	streams "github.com/aws/aws-sdk-go-v2/service/dynamodbstreams/types"
	kafkago "github.com/segmentio/kafka-go"
	"golang.org/x/sync/errgroup"

	"github.com/crossfadedb/crossfade/internal/capture"
	"github.com/crossfadedb/crossfade/internal/dynamodb"
	"github.com/crossfadedb/crossfade/internal/lab/bench/stub"
)

// poll is how long both sides wait after a page without records.
const poll = 200 * time.Millisecond

// capturePair publishes a stream from its beginning. Ours is done when durable facts say so of every change.
func capturePair(ctx context.Context, p *parts) (ours, bare side, err error) {
	old, err := p.table(ctx)
	if err != nil {
		return nil, nil, err
	}
	_, client, err := p.bareClients(ctx)
	if err != nil {
		return nil, nil, err
	}
	ours = func(ctx context.Context) (cost, error) {
		return p.capture(ctx, dynamodb.NewStream(old, stub.ARN, schema))
	}
	bare = func(ctx context.Context) (cost, error) {
		return p.barePublish(ctx, func(ctx context.Context, w *kafkago.Writer) error {
			return bareCapture(ctx, client, stub.ARN, w, len(p.rows))
		})
	}
	return ours, bare, nil
}

func (p *parts) capture(ctx context.Context, stream capture.Stream) (cost, error) {
	m, err := p.migration(ctx)
	if err != nil {
		return cost{}, err
	}
	worker := capture.New(capture.Config{
		Stream: stream, Publish: p.kafka.Publish(m.topics.Live, partitions), DeadLetter: noDeadLetter,
		Facts: m.facts, Watch: m.watch, Generation: 1, Grace: grace, Poll: poll,
	})
	run := m.watched(func(ctx context.Context) error { return worker.Run(ctx, []int{0}, 1) })
	took, err := stopwatch(ctx, run, func() bool {
		published := int64(0)
		for _, fact := range m.facts.Shards(1) {
			published += fact.Records
		}
		return published >= int64(len(p.rows))
	})
	if err != nil {
		return cost{}, err
	}
	return took, p.checkTopic(ctx, m.topics.Live, len(p.rows))
}

// bareCapture reads every shard that there is until all rows have come: open shards have no end.
func bareCapture(ctx context.Context, client *dynamodbstreams.Client, arn string, w *kafkago.Writer, rows int) error {
	described, err := client.DescribeStream(ctx, &dynamodbstreams.DescribeStreamInput{StreamArn: &arn})
	if err != nil {
		return err
	}
	all := make(chan struct{})
	var written atomic.Int64
	group, ctx := errgroup.WithContext(ctx)
	for _, shard := range described.StreamDescription.Shards {
		group.Go(func() error {
			place, err := client.GetShardIterator(ctx, &dynamodbstreams.GetShardIteratorInput{
				StreamArn: &arn, ShardId: shard.ShardId, ShardIteratorType: streams.ShardIteratorTypeTrimHorizon,
			})
			if err != nil {
				return err
			}
			for iterator := place.ShardIterator; iterator != nil; {
				page, err := client.GetRecords(ctx, &dynamodbstreams.GetRecordsInput{ShardIterator: iterator})
				if err != nil {
					return err
				}
				if err := writeChanges(ctx, w, page.Records); err != nil {
					return err
				}
				if n := len(page.Records); n > 0 && written.Add(int64(n)) == int64(rows) {
					close(all)
				}
				iterator = page.NextShardIterator
				wait := time.Duration(0)
				if len(page.Records) == 0 {
					wait = poll
				}
				select {
				case <-all:
					return nil
				case <-ctx.Done():
					return context.Cause(ctx)
				case <-time.After(wait):
				}
			}
			return nil
		})
	}
	return group.Wait()
}

func writeChanges(ctx context.Context, w *kafkago.Writer, changes []streams.Record) error {
	messages := make([]kafkago.Message, len(changes))
	for i, change := range changes {
		var err error
		if messages[i].Key, messages[i].Value, err = message(change.Dynamodb.NewImage); err != nil {
			return err
		}
	}
	return w.WriteMessages(ctx, messages...)
}
