package sim

import "github.com/twmb/franz-go/pkg/kmsg"

// forgetOffsets makes the brokers say now and then, in every second world, that the group of the appliers has committed
// nothing: as they do when it had no member for long, or when somebody has deleted it. Nothing may depend on it.
func (w *world) forgetOffsets() {
	if w.plan.seed%2 != 0 {
		return
	}
	asked := 0
	w.cluster.ControlKey(int16(kmsg.OffsetFetch), func(request kmsg.Request) (kmsg.Response, error, bool) {
		w.cluster.KeepControl()
		r, ok := request.(*kmsg.OffsetFetchRequest)
		if asked++; !ok || r.Group != migrationName || asked%3 != 0 {
			return nil, nil, false
		}
		response := r.ResponseKind().(*kmsg.OffsetFetchResponse)
		for _, t := range r.Topics {
			topic := kmsg.NewOffsetFetchResponseTopic()
			topic.Topic = t.Topic
			for _, n := range t.Partitions {
				p := kmsg.NewOffsetFetchResponseTopicPartition()
				p.Partition, p.Offset = n, -1
				topic.Partitions = append(topic.Partitions, p)
			}
			response.Topics = append(response.Topics, topic)
		}
		w.story.tell("broker", "has forgotten the committed offsets")
		return response, nil, true
	})
}
