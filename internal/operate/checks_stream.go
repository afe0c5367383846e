package operate

import (
	"context"
	"errors"
	"fmt"

	"github.com/crossfadedb/crossfade/internal/apply"
	"github.com/crossfadedb/crossfade/internal/dynamodb"
)

func (f *preflight) checkStream(ctx context.Context) (string, error) {
	switch {
	case f.old.Stream == "" && f.enableStream:
		return f.checkStreamToCome(ctx)
	case f.old.Stream == "":
		return "", errors.New("the old table has no stream; turn it on with new images, or use --enable-stream")
	case !f.old.NewImages:
		return "", fmt.Errorf("the stream has no new images (view type %s); disable it and use --enable-stream", f.old.StreamView)
	}
	stream := dynamodb.NewStream(f.Old, f.old.Stream, f.old.KeySchema)
	shards, err := stream.Shards(ctx)
	if err != nil {
		return "", err
	}
	return checkStreamRead(ctx, stream, len(shards))
}

// checkStreamRead tries what capture does with a stream that is on.
func checkStreamRead(ctx context.Context, stream *dynamodb.Stream, shards int) (string, error) {
	found := fmt.Sprintf("on, new images, %d shards", shards)
	read, err := stream.CheckStream(ctx)
	if err == nil && !read {
		return found, doubt("unknown: whether its records may be read; there is no shard to try it on")
	}
	return found, err
}

// checkStreamToCome finds out what can be known of a stream that is off.
func (f *preflight) checkStreamToCome(ctx context.Context) (string, error) {
	if f.old.ARN != "" {
		if err := f.Old.CheckStreamToCome(ctx, f.old.ARN); err != nil {
			return "", err
		}
	}
	return "off; will be turned on", doubt("whether its records may be read (dynamodb:GetRecords) can be found out only then")
}

// checkUpdate finds out whether the stream may be turned on, and does not turn it on.
func (f *preflight) checkUpdate(ctx context.Context) (string, error) {
	shown, err := f.Old.CheckUpdate(ctx)
	if err == nil && !shown {
		return "", doubt("unknown: whether the stream may be turned on (dynamodb:UpdateTable) is known only when that is tried")
	}
	return "an update of the old table that cannot succeed was permitted", err
}

// turnOn turns the old table's stream on if it is off, it is needed, and that was asked for.
func (f *preflight) turnOn(ctx context.Context) (err error) {
	if f.enableStream && f.From() == apply.FromStream && f.old.Stream == "" {
		f.old.Stream, err = f.Old.EnableStream(ctx)
	}
	return err
}
