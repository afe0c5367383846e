package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	kafkago "github.com/segmentio/kafka-go"

	"github.com/crossfadedb/crossfade/internal/events"
)

// noDeadLetter is where rows go that cannot be read. Here there are none.
func noDeadLetter(_ context.Context, _ []byte, why *events.Invalid, where string) error {
	return fmt.Errorf("an item of %s cannot be read: %w", where, why)
}

// writer is kafka-go's Writer, with its zstd as it comes, set for pages of some hundred messages of which each caller waits for
// its own.
func (p *parts) writer(topic string) *kafkago.Writer {
	return &kafkago.Writer{
		Addr: kafkago.TCP(p.broker), Topic: topic, Balancer: kafkago.Murmur2Balancer{Consistent: true},
		RequiredAcks: kafkago.RequireAll, Compression: kafkago.Zstd,
		BatchSize: 1000, BatchTimeout: time.Millisecond,
		Transport: &kafkago.Transport{},
	}
}

// barePublish times a bare loop that writes to a topic of its own.
func (p *parts) barePublish(ctx context.Context, loop func(context.Context, *kafkago.Writer) error) (cost, error) {
	m, err := p.migration(ctx)
	if err != nil {
		return cost{}, err
	}
	w := p.writer(m.topics.Snapshot)
	spent := meter()
	err = loop(ctx, w)
	took := spent()
	w.Transport.(*kafkago.Transport).CloseIdleConnections()
	if err := errors.Join(err, w.Close()); err != nil {
		return cost{}, err
	}
	return took, p.checkTopic(ctx, m.topics.Snapshot, len(p.rows))
}
