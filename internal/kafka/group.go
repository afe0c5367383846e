package kafka

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	kafkago "github.com/segmentio/kafka-go"

	"github.com/crossfadedb/crossfade/internal/apply"
	"github.com/crossfadedb/crossfade/internal/events"
	"github.com/crossfadedb/crossfade/internal/fault"
)

// Assignment is what a member of a group has been given, until its context ends.
type Assignment struct {
	Partitions map[string][]int // by topic, sorted; a topic may be missing when there are more members than partitions

	client     *Client
	group      string
	member     string
	generation int
}

// Commit implements apply.Commit for this assignment.
func (a Assignment) Commit(ctx context.Context, progress map[events.TopicPartition]apply.Progress) error {
	ctx, cancel := context.WithTimeout(ctx, a.client.options.RequestTimeout)
	defer cancel()
	return a.client.commit(ctx, a.group, a.member, a.generation, progress)
}

// errReassigned is the cause of a context that ended because the group hands out partitions anew.
var errReassigned = errors.New("the group is handing out its partitions anew")

// Group is a member of the consumer group id until ctx ends. It calls work for each assignment; work must go on
// until its context ends, which it does when the group hands out partitions anew or this member is given up for
// lost. An error of work ends the membership and is returned; ErrFenced is none.
func (c *Client) Group(ctx context.Context, id string, topics []string, work func(context.Context, Assignment) error) error {
	group, err := kafkago.NewConsumerGroup(kafkago.ConsumerGroupConfig{
		ID: id, Brokers: c.options.Brokers, Dialer: c.dialer(), Topics: topics,
		SessionTimeout: c.options.SessionTimeout, HeartbeatInterval: c.options.SessionTimeout / 10,
		RebalanceTimeout: 2 * c.options.SessionTimeout, JoinGroupBackoff: 500 * time.Millisecond,
		StartOffset: kafkago.FirstOffset, Timeout: dialTimeout,
	})
	if err != nil {
		return classify(err, "join group "+id)
	}
	err = c.generations(ctx, group, id, work)
	return errors.Join(err, group.Close()) // leaves the group, so that others need not wait
}

func (c *Client) generations(ctx context.Context, group *kafkago.ConsumerGroup, id string, work func(context.Context, Assignment) error) error {
	for {
		generation, err := group.Next(ctx)
		switch {
		case ctx.Err() != nil:
			return nil //nolint:nilerr // the end was asked for
		case err != nil:
			// A coordinator that loads, a broker that went away: the group goes on trying, so this does too.
			// That the group has moved on only means to join again. There is no wait here: kafka-go has its own, and while
			// nobody asks for the next generation it does not join, so the others would wait for this member, give it up,
			// and be given up by it in their turn.
			if err := classify(err, "join group "+id); fault.Of(err) == fault.Fatal && !errors.Is(err, apply.ErrFenced) {
				return err
			}
			continue
		}
		err = c.assigned(ctx, generation, id, work)
		switch {
		case ctx.Err() != nil && (err == nil || errors.Is(err, context.Canceled)):
			return nil
		case err != nil && !errors.Is(err, apply.ErrFenced) && !errors.Is(err, errReassigned) && !errors.Is(err, context.Canceled):
			return err
		}
	}
}

// assigned runs work for one generation and returns what it returned.
func (c *Client) assigned(ctx context.Context, g *kafkago.Generation, id string, work func(context.Context, Assignment) error) error {
	a := Assignment{Partitions: map[string][]int{}, client: c, group: id, member: g.MemberID, generation: int(g.ID)}
	for topic, partitions := range g.Assignments {
		for _, p := range partitions {
			a.Partitions[topic] = append(a.Partitions[topic], p.ID)
		}
		slices.Sort(a.Partitions[topic])
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	result := make(chan error, 1)
	g.Start(func(generation context.Context) {
		defer context.AfterFunc(generation, func() { cancel(errReassigned) })()
		err := work(ctx, a)
		result <- err
		if !errors.Is(err, apply.ErrFenced) {
			// kafka-go joins again when this returns, and others, and the Close that follows, would wait for that. So it
			// returns when the generation ends, by the group's doing or by Close.
			<-generation.Done()
		}
	})
	return <-result
}

// Member is one process in a consumer group.
type Member struct {
	Client     string         `json:"client"`
	Host       string         `json:"host"`
	Partitions map[string]int `json:"partitions"` // how many of each topic
}

// Members are the processes in a group now; none when the group does not exist.
func (c *Client) Members(ctx context.Context, group string) ([]Member, error) {
	what := "describe group " + group
	response, err := c.client.DescribeGroups(ctx, &kafkago.DescribeGroupsRequest{GroupIDs: []string{group}})
	if err != nil {
		return nil, classify(err, what)
	}
	var members []Member
	for _, g := range response.Groups {
		if errors.Is(g.Error, kafkago.GroupIdNotFound) {
			continue // nobody has joined it yet
		}
		if g.Error != nil {
			return nil, classify(g.Error, what)
		}
		for _, m := range g.Members {
			member := Member{Client: m.ClientID, Host: m.ClientHost, Partitions: map[string]int{}}
			for _, t := range m.MemberAssignments.Topics {
				member.Partitions[t.Topic] = len(t.Partitions)
			}
			members = append(members, member)
		}
	}
	slices.SortFunc(members, func(a, b Member) int { return strings.Compare(a.Client, b.Client) })
	return members, nil
}
