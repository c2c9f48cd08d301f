package attach

// Queues returns how many receive queues an interface of the thread's network namespace
// has room for: it may use fewer. The error wraps [ErrNoInterface] if there is none of
// that name.
func Queues(name string) (int, error) {
	dev, err := device(name)
	if err != nil {
		return 0, err
	}
	return max(dev.Attrs().NumRxQueues, 1), nil
}
