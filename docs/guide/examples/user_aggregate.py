"""The service's second example: a user who is what has happened to it, in an event store."""

import asyncio
from datetime import datetime

from eventplane.eventstore import AggregateRoot, Event, EventSourcedRepository, EventStore

broker_config = {
    'event_store_url': 'sqlite:////data/events.db'
}


# Example aggregate
class UserAggregate(AggregateRoot):
    def __init__(self, user_id: str):
        super().__init__(user_id)
        self.email = None
        self.username = None
        self.status = 'inactive'
        self.created_at = None

    def register(self, username: str, email: str):
        """Register new user"""
        if self.status != 'inactive':
            raise ValueError("User already registered")

        event = Event(
            event_type='user.registered',
            event_version='1.0',
            source='user-aggregate',
            data={
                'username': username,
                'email': email,
                'registered_at': datetime.utcnow().isoformat()
            }
        )

        self.raise_event(event)

    def activate(self):
        """Activate user account"""
        if self.status != 'pending':
            raise ValueError("User is not in pending state")

        event = Event(
            event_type='user.activated',
            event_version='1.0',
            source='user-aggregate',
            data={
                'activated_at': datetime.utcnow().isoformat()
            }
        )

        self.raise_event(event)

    def apply_event(self, event: Event):
        """Apply event to aggregate state"""
        event_type = event.event_type

        if event_type == 'user.registered':
            self.username = event.data['username']
            self.email = event.data['email']
            self.created_at = event.data['registered_at']
            self.status = 'pending'

        elif event_type == 'user.activated':
            self.status = 'active'

        elif event_type == 'user.deactivated':
            self.status = 'inactive'


async def main():
    # Usage example
    event_store = EventStore(broker_config)
    user_repository = EventSourcedRepository(event_store)

    # Create and register new user
    user = UserAggregate('user-12345')
    user.register('john_doe', 'john@example.com')
    user.activate()

    # Save user events
    await user_repository.save(user)

    # Load user from events
    loaded_user = await user_repository.get_by_id('user-12345', UserAggregate)
    print(f"User status: {loaded_user.status}")  # Should be 'active'
    await event_store.close()


asyncio.run(main())
