package kafka

import (
	"context"
	"slices"
	"strings"

	kafkago "github.com/segmentio/kafka-go"
)

// Migrations are the names of the migrations whose control topic is on the cluster and may be seen by this user, sorted.
func (c *Client) Migrations(ctx context.Context) (names []string, err error) {
	answered := c.outside.Ask(ctx, "list the topics")
	defer func() { answered(err) }()
	response, err := c.client.Metadata(ctx, &kafkago.MetadataRequest{}) // of all topics
	if err != nil {
		return nil, classify(err, "list the topics")
	}
	for _, topic := range response.Topics {
		if name, is := strings.CutSuffix(topic.Name, TopicsOf("").Control); is && name != "" {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names, nil
}
