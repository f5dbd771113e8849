"""The service's first example: an event of a user, a handler, and the event that the handler publishes."""

import asyncio
import signal

from eventplane.client import Event, EventPublisher, EventSubscriber


async def send_welcome_email(email: str, username: str):
    """Send nothing: the example leaves that to its reader."""
    print(f"Welcome, {username}!")


async def main():
    # Publisher
    publisher = EventPublisher.from_environment(binding='user-service')

    # Create and publish user registration event
    user_registered_event = Event(
        event_type='user.registered',
        event_version='1.0',
        source='user-service',
        data={
            'user_id': '12345',
            'username': 'john_doe',
            'email': 'john@example.com',
            'registration_method': 'web'
        },
        correlation_id='req-abc-123'
    )

    await publisher.publish_event('user-events', user_registered_event)

    # Subscriber
    subscriber = EventSubscriber.from_environment(binding='notification-service')
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, lambda: loop.create_task(subscriber.stop()))

    async def handle_user_registered(event: Event):
        """Handle user registration event"""
        user_data = event.data
        print(f"Sending welcome email to {user_data['email']}")

        # Send welcome email
        await send_welcome_email(user_data['email'], user_data['username'])

        # Publish email sent event
        email_sent_event = Event(
            event_type='email.sent',
            event_version='1.0',
            source='notification-service',
            data={
                'user_id': user_data['user_id'],
                'email_type': 'welcome',
                'recipient': user_data['email']
            },
            correlation_id=event.correlation_id
        )

        await publisher.publish_event('notification-events', email_sent_event)

    # Register handler and start consuming
    subscriber.register_handler('user.registered', handle_user_registered)
    subscriber.subscribe(['user-events'])
    await subscriber.start_consuming()
    await publisher.close()


asyncio.run(main())
