package kafka

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
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
// lost. An error of work ends the membership and is returned; ErrFenced is none. Each assignment and its end is logged,
// with the reason.
func (c *Client) Group(ctx context.Context, id string, topics []string, work func(context.Context, Assignment) error) error {
	m := &membership{client: c, id: id, work: work, why: "this process joins the group"}
	group, err := kafkago.NewConsumerGroup(kafkago.ConsumerGroupConfig{
		ID: id, Brokers: c.options.Brokers, Dialer: c.dialer(), Topics: topics,
		SessionTimeout: c.options.SessionTimeout, HeartbeatInterval: c.options.SessionTimeout / 10,
		RebalanceTimeout: 2 * c.options.SessionTimeout, JoinGroupBackoff: 500 * time.Millisecond,
		StartOffset: kafkago.FirstOffset, Timeout: dialTimeout,
		GroupBalancers: []kafkago.GroupBalancer{counting{kafkago.RangeGroupBalancer{}, &m.members}, counting{kafkago.RoundRobinGroupBalancer{}, &m.members}},
		Logger:         c.details(ctx, id), // its errors too: those that matter come out of Next
	})
	if err != nil {
		return classify(err, "join group "+id)
	}
	err = m.generations(ctx, group)
	return errors.Join(err, group.Close()) // leaves the group, so that others need not wait
}

// details logs what kafka-go says of a membership, for whoever looks closely.
func (c *Client) details(ctx context.Context, group string) kafkago.Logger {
	return kafkago.LoggerFunc(func(format string, args ...any) {
		if c.options.Logger.Enabled(ctx, slog.LevelDebug) {
			c.options.Logger.DebugContext(ctx, "kafka-go", "group", group, "said", short(strings.TrimSpace(fmt.Sprintf(format, args...))))
		}
	})
}

// counting is a balancer that notes how many members it shares the partitions out to. Only the group's leader is asked to.
type counting struct {
	kafkago.GroupBalancer
	members *atomic.Int64
}

// AssignGroups implements kafkago.GroupBalancer.
func (b counting) AssignGroups(members []kafkago.GroupMember, partitions []kafkago.Partition) kafkago.GroupMemberAssignments {
	b.members.Store(int64(len(members)))
	return b.GroupBalancer.AssignGroups(members, partitions)
}

// membership is one call of Group.
type membership struct {
	client  *Client
	id      string
	work    func(context.Context, Assignment) error
	members atomic.Int64 // of the next assignment; 0: only the group's leader knows, and this member is not it
	why     string       // the next assignment comes
}

func (m *membership) generations(ctx context.Context, group *kafkago.ConsumerGroup) error {
	joining := "join group " + m.id
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
			err := classify(err, joining)
			m.members.Store(0)
			if !errors.Is(err, apply.ErrFenced) {
				if fault.Of(err) == fault.Fatal {
					return err
				}
				m.client.outside.Failed(joining, err)
				m.why = "this process joins again after an error: " + short(err.Error())
			}
			continue
		}
		m.client.outside.Worked(joining)
		err = m.assigned(ctx, generation)
		switch {
		case ctx.Err() != nil && (err == nil || errors.Is(err, context.Canceled)):
			return nil
		case err != nil && !errors.Is(err, apply.ErrFenced) && !errors.Is(err, errReassigned) && !errors.Is(err, context.Canceled):
			return err
		}
	}
}

// assigned runs the work of one generation and returns what it returned.
func (m *membership) assigned(ctx context.Context, g *kafkago.Generation) error {
	a := Assignment{Partitions: map[string][]int{}, client: m.client, group: m.id, member: g.MemberID, generation: int(g.ID)}
	for topic, partitions := range g.Assignments {
		for _, p := range partitions {
			a.Partitions[topic] = append(a.Partitions[topic], p.ID)
		}
		slices.Sort(a.Partitions[topic])
	}
	line := m.begins(a)
	assignment, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	result := make(chan error, 1)
	g.Start(func(generation context.Context) {
		defer context.AfterFunc(generation, func() { cancel(errReassigned) })()
		err := m.work(assignment, a)
		result <- err
		if !errors.Is(err, apply.ErrFenced) {
			// kafka-go joins again when this returns, and others, and the Close that follows, would wait for that. So it
			// returns when the generation ends, by the group's doing or by Close.
			<-generation.Done()
		}
	})
	err := <-result
	m.ends(ctx, line, context.Cause(assignment), err)
	return err
}

// begins says what this member has been given and why, and returns the logger for its end.
func (m *membership) begins(a Assignment) *slog.Logger {
	line := m.client.options.Logger.With("group", m.id, "generation of the group", a.generation, "partitions", a.String())
	known := line
	if n := m.members.Swap(0); n > 0 {
		known = line.With("members", n)
	}
	known.Info("partitions assigned", "why", m.why)
	return line
}

// ends says why an assignment has ended; cause is that of its context, nil if that has not.
func (m *membership) ends(ctx context.Context, line *slog.Logger, cause, err error) {
	switch {
	case ctx.Err() != nil:
		line.Info("partitions given up", "why", "this process stops them: "+context.Cause(ctx).Error())
	case errors.Is(cause, errReassigned):
		m.why = "the group hands its partitions out anew"
		line.Info("partitions given up", "why", "the group hands its partitions out anew, or has not been heard")
	case err == nil, errors.Is(err, apply.ErrFenced):
		m.why = "the group had moved on without this member"
		line.Info("partitions given up", "why", m.why)
	default:
		line.Info("partitions given up", "why", "the work has failed", "error", err)
	}
}

// String is the partitions of each topic, such as "orders.live 0-3,7".
func (a Assignment) String() string {
	var text strings.Builder
	for i, topic := range slices.Sorted(maps.Keys(a.Partitions)) {
		if i > 0 {
			text.WriteString("; ")
		}
		fmt.Fprintf(&text, "%s %s", topic, ranges(a.Partitions[topic]))
	}
	return cmp.Or(text.String(), "none")
}

// ranges writes sorted numbers as ranges, such as "0-3,7".
func ranges(numbers []int) string {
	var parts []string
	for from := 0; from < len(numbers); {
		to := from
		for to+1 < len(numbers) && numbers[to+1] == numbers[to]+1 {
			to++
		}
		part := strconv.Itoa(numbers[from])
		if to > from {
			part += "-" + strconv.Itoa(numbers[to])
		}
		parts = append(parts, part)
		from = to + 1
	}
	return strings.Join(parts, ",")
}

// Member is one process in a consumer group.
type Member struct {
	Client     string         `json:"client"`
	Host       string         `json:"host"`
	Partitions map[string]int `json:"partitions"` // how many of each topic
	// Holds are these partitions, by topic.
	Holds map[string][]int `json:"-"`
}

// Members are the processes in a group now; none when the group does not exist.
func (c *Client) Members(ctx context.Context, group string) (_ []Member, err error) {
	answered := c.outside.Ask(ctx, "describe group "+group)
	defer func() { answered(err) }()
	what := "describe group " + group
	response, err := c.client.DescribeGroups(ctx, &kafkago.DescribeGroupsRequest{GroupIDs: []string{group}})
	if err != nil {
		return nil, classify(err, what)
	}
	if len(response.Groups) == 0 {
		return nil, classify(errors.New("an answer without the group"), what)
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
			member := Member{Client: m.ClientID, Host: m.ClientHost, Partitions: map[string]int{}, Holds: map[string][]int{}}
			for _, t := range m.MemberAssignments.Topics {
				member.Partitions[t.Topic], member.Holds[t.Topic] = len(t.Partitions), t.Partitions
			}
			members = append(members, member)
		}
	}
	slices.SortFunc(members, func(a, b Member) int { return strings.Compare(a.Client, b.Client) })
	return members, nil
}
